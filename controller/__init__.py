"""Bank two, upper deck: workflows. `dag` decides, `run` acts, `store` remembers, `cron` starts the night's runs."""
