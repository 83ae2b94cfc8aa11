-- The namespaces of tools, with what their entries take up. The triggers below keep `keys` and `bytes` in the transaction
-- that changes the entries, so that a quota is checked by reading one row, and no statement can forget to count.
CREATE TABLE kv_space (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  component TEXT NOT NULL,
  keys INTEGER NOT NULL DEFAULT 0 CHECK (keys >= 0),
  bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
  UNIQUE (tenant, component)
) STRICT;

-- With rowids: values may be large, and rows without rowids would fill the inner pages of the tree with them.
CREATE TABLE kv_entry (
  space INTEGER NOT NULL REFERENCES kv_space (id),
  key TEXT NOT NULL COLLATE BINARY,
  -- Milliseconds since 1970; the entry is gone from this moment on.
  expires INTEGER,
  -- Bytes of key and value. It stands before the value, so that counting reads no value.
  size INTEGER NOT NULL CHECK (size = octet_length(key) + octet_length(value)),
  value BLOB NOT NULL,
  UNIQUE (space, key)
) STRICT;

CREATE INDEX kv_entry_expires ON kv_entry (space, expires, size) WHERE expires IS NOT NULL;

CREATE TRIGGER kv_entry_insert AFTER INSERT ON kv_entry BEGIN
  UPDATE kv_space SET keys = keys + 1, bytes = bytes + NEW.size WHERE id = NEW.space;
END;

CREATE TRIGGER kv_entry_update AFTER UPDATE ON kv_entry BEGIN
  UPDATE kv_space SET keys = keys - 1, bytes = bytes - OLD.size WHERE id = OLD.space;
  UPDATE kv_space SET keys = keys + 1, bytes = bytes + NEW.size WHERE id = NEW.space;
END;

CREATE TRIGGER kv_entry_delete AFTER DELETE ON kv_entry BEGIN
  UPDATE kv_space SET keys = keys - 1, bytes = bytes - OLD.size WHERE id = OLD.space;
END;
