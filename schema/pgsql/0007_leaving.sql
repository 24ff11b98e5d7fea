-- Accounts that are being erased: their name is given up already (account.name is '@'
-- and the owner then), some of their rows are left. The server goes on with them when it
-- starts.
CREATE TABLE account_leaving (
	owner BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	host  TEXT   NOT NULL,
	name  TEXT   NOT NULL,
	since BIGINT NOT NULL
);
