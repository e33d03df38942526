"""Applied manifests: their rows, who gets them (the banks), and the directory they may come from."""
