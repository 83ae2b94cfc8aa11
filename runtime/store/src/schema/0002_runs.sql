-- Runs of plans. Numbers grow with each run and are never given twice, so that lists have one order.
CREATE TABLE run (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  caller TEXT NOT NULL,
  plan TEXT NOT NULL,
  input TEXT NOT NULL,
  -- Milliseconds since 1970, as every moment here.
  created INTEGER NOT NULL,
  deadline INTEGER,
  state TEXT NOT NULL CHECK (state IN ('running', 'waiting', 'completed', 'failed', 'cancelled')),
  ended INTEGER,
  -- Grows with each claim; only who knows the newest may write steps.
  fence INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX run_tenant ON run (tenant, state, number);

-- What is known of steps. With rowids: results may be large.
CREATE TABLE step (
  run INTEGER NOT NULL REFERENCES run (number),
  step TEXT NOT NULL COLLATE BINARY,
  -- The place in the list of a step that goes over one; -1 for the step itself.
  item INTEGER NOT NULL CHECK (item >= -1),
  state TEXT NOT NULL,
  started INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  -- The state with what belongs to it, as JSON.
  body TEXT NOT NULL,
  -- What it used up of the run's budget, as JSON, where it used anything.
  used TEXT,
  -- What happened on the way, as JSON, where anything did.
  history TEXT,
  -- What a person answered since, as JSON.
  answer TEXT,
  UNIQUE (run, step, item)
) STRICT;
