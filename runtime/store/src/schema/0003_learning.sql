-- What helped against failures, and how often.
CREATE TABLE fix (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  tool TEXT NOT NULL,
  kind TEXT NOT NULL,
  pointer TEXT NOT NULL,
  message TEXT NOT NULL,
  -- What to do, as JSON.
  edits TEXT NOT NULL,
  found_by TEXT NOT NULL,
  tried INTEGER NOT NULL CHECK (tried >= 0),
  worked INTEGER NOT NULL CHECK (worked >= 0),
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX fix_fingerprint ON fix (tenant, fingerprint);

-- How calls went. It holds no argument and no result, and is forgotten by age and number.
CREATE TABLE call_record (
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  tool TEXT NOT NULL,
  component TEXT,
  profile TEXT NOT NULL,
  upstream TEXT,
  verdict TEXT NOT NULL,
  kind TEXT,
  recovery TEXT,
  fingerprint TEXT,
  message TEXT,
  duration_us INTEGER NOT NULL,
  recovered TEXT
) STRICT;

CREATE INDEX call_record_at ON call_record (at, number);
CREATE INDEX call_record_tenant ON call_record (tenant, at, number);
