-- What a source remembers of many things, each under a name of its own: the objects of a bucket, the files of a folder.
CREATE TABLE source_facts (source TEXT NOT NULL, name TEXT NOT NULL, fact {blob} NOT NULL,
  PRIMARY KEY (source, name)) {clustered};
