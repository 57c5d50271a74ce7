-- bets_YYYY_wWW.db: the bets placed, the columns settled and the postings on user.available made in one
-- ISO week of UTC. A bet stays here when it is settled in a later week.

CREATE TABLE bets (
    bet INTEGER PRIMARY KEY,                -- the seq of its tap
    user_id INTEGER NOT NULL,               -- 0: an unknown account
    account BLOB NOT NULL,                  -- 20 bytes
    market TEXT NOT NULL,
    column_ms INTEGER NOT NULL,
    band INTEGER NOT NULL,
    price_lo INTEGER NOT NULL,
    price_hi INTEGER NOT NULL,
    stake INTEGER NOT NULL,
    min_mult INTEGER NOT NULL,
    config INTEGER NOT NULL,
    mult INTEGER,
    payout INTEGER,
    state TEXT NOT NULL,
    reason TEXT,
    nonce BLOB NOT NULL,                    -- 16 bytes
    session INTEGER,
    accepted_at INTEGER,
    priced_at INTEGER,
    priced_seq INTEGER,
    tick_age INTEGER,                       -- priced_at less the time of the pricing tick
    price INTEGER,
    settled_at INTEGER,
    settled_seq INTEGER,
    settle_price INTEGER,
    -- What follows from the others takes no room.
    tick INTEGER GENERATED ALWAYS AS (priced_at - tick_age) VIRTUAL,
    accepted_seq INTEGER GENERATED ALWAYS AS (iif(accepted_at IS NULL, NULL, bet)) VIRTUAL,
    paid INTEGER GENERATED ALWAYS AS (
        CASE state WHEN 'won' THEN payout WHEN 'void' THEN stake WHEN 'lost' THEN 0
                   WHEN 'rejected' THEN 0 END) VIRTUAL
) STRICT;

CREATE TABLE columns (
    column_ms INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,                   -- the settling record
    at INTEGER NOT NULL,
    band_e4 INTEGER NOT NULL,
    state TEXT NOT NULL,                    -- settled or void
    reason TEXT,
    price INTEGER,
    band INTEGER,
    ticks TEXT NOT NULL,                    -- the five ticks as the interface shows them
    bets INTEGER NOT NULL,
    stakes INTEGER NOT NULL,
    paid INTEGER NOT NULL
) STRICT;

CREATE TABLE transaction_ledger (
    seq INTEGER NOT NULL,                   -- 0: OPENING
    line INTEGER NOT NULL,                  -- counts all postings of the record; OPENING: the user id
    account BLOB NOT NULL,
    user_id INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    ref_type TEXT NOT NULL,
    ref_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (seq, line)
) STRICT, WITHOUT ROWID;

-- closed: a later week runs and no bet of this one is open; the file is never written again.
-- main_seq: what main.db stood at when this was written; it is never behind it, unless it was replaced by
-- an older copy.
CREATE TABLE applied (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0,
    main_seq INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO applied (only, seq, digest) VALUES (1, 0, zeroblob(32));
