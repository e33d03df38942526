"""Bank one, upper deck: sensors turn events into decisions, and decisions into firings."""
