"""Objects in buckets: how changes are told, remembered and gathered. What the sources `s3` and `minio` are made of."""
