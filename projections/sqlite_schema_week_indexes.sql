-- The indexes of bets_YYYY_wWW.db; a rebuild makes them when all rows are there. Each ends with the primary
-- key of its table by itself: (user_id) is (user_id, bet), or (user_id, seq, line).
CREATE INDEX bets_by_cell ON bets (market, column_ms, price_lo, price_hi);
CREATE INDEX bets_by_user ON bets (user_id);
CREATE INDEX bets_by_nonce ON bets (user_id, nonce);
-- User id 0 is all accounts that were unknown when they tapped.
CREATE INDEX bets_of_unknown ON bets (account) WHERE user_id = 0;
CREATE INDEX bets_open ON bets (user_id) WHERE state IN ('accepted', 'confirmed');

CREATE INDEX ledger_by_user ON transaction_ledger (user_id);
CREATE INDEX ledger_by_reference ON transaction_ledger (ref_id, user_id);
CREATE INDEX ledger_by_time ON transaction_ledger (at);
