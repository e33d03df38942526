"""Bank one, lower deck: event sources turn what happens outside into events on the bus."""
