"""Who we are for a repository on GitHub: the installation of an App. For `source.git`; a token is kept nowhere."""

from urllib.parse import urlsplit

from bireme.kit import outward
from events import fields, rest
from events.github_app import GithubApp, InstallationToken
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.standing import Standing
from sensors.surroundings import Surroundings

_USER = "x-access-token"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


async def login(
    url: str, app: GithubApp, standing: Standing, around: Surroundings
) -> tuple[str, str]:
    """The user and password for the repository at `url`, good for some minutes at least.

    Raises BadSensor, BadKey, MissingExtra; TriggerRefused for an API out of reach; TriggerFailed without an answer.
    """
    if app.private_key is None:
        raise BadSensor("source.git.githubApp.privateKey is missing")
    key = fields.secret(standing.secrets, standing.place, app.private_key)
    base = _api(url)
    async with outward.session(around.reach) as session:
        api = rest.Api(session, base, _HEADERS)
        token = InstallationToken(api, str(app.app_id), str(app.installation_id), around.clock)
        try:
            return _USER, await token.get(key)
        except outward.OutwardRefused as error:
            raise TriggerRefused(f"source.git.githubApp: {base}: {error}") from error
        except rest.ApiError as error:
            raise TriggerFailed(f"source.git.githubApp: {error}") from error


def _api(url: str) -> str:
    """Of the server that the repository is on: GitHub, its data residency, or an Enterprise server."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise BadSensor("source.git.githubApp opens repositories at https:// only")
    if host in ("github.com", "www.github.com"):
        return "https://api.github.com"
    if host.endswith(".ghe.com"):
        return f"https://api.{host}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/api/v3"
