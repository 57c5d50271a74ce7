-- main.db: what is true now. Integers are ms, micro-USD and seqs; BLOBs are the bytes of an address or
-- a digest. Everything here can be deleted and comes back from the journal.

CREATE TABLE users (
    id INTEGER PRIMARY KEY,                 -- the rules' user id, from 1 in the order of opening
    account BLOB NOT NULL UNIQUE,           -- 20 bytes
    balance INTEGER NOT NULL CHECK (balance >= 0), -- user.available
    held INTEGER NOT NULL CHECK (held >= 0),       -- user.held
    open_bets INTEGER NOT NULL CHECK (open_bets >= 0)
) STRICT;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every epoch of the market configuration as GET /v1/config/{epoch} shows it.
CREATE TABLE configs (
    epoch INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- The weeks that have begun, each with its file bets_YYYY_wWW.db. opened_seq is its first record, so a
-- bet's week is the last one with opened_seq <= bet. archived: the file may be absent.
CREATE TABLE weeks (
    start_ms INTEGER PRIMARY KEY,
    opened_seq INTEGER NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0
) STRICT;

-- until: this file was made again beside week files that had applied so much; before it is there, they
-- may be any number of records ahead.
CREATE TABLE applied (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    until INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO applied (only, seq, digest) VALUES (1, 0, zeroblob(32));
