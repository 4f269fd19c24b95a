BEGIN TRANSACTION;
CREATE TABLE feedback (
	id VARCHAR(32) NOT NULL, 
	prediction_id VARCHAR(128) NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	decision_taken VARCHAR(128), 
	reason VARCHAR(40), 
	pseudonym VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	handling_seconds FLOAT, counted_at DATETIME, 
	PRIMARY KEY (id)
);
INSERT INTO "feedback" VALUES('ffffffffffffffffffffffffffffffff','t1','overridden','approve','known-customer','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','2026-04-30 12:00:01.000000',40.0,NULL);
CREATE TABLE modes (
	number INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	mode VARCHAR(16) NOT NULL, 
	who VARCHAR(128) NOT NULL, 
	why TEXT NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "modes" VALUES(1,'2026-04-30 12:00:01.000000','assist','you@example.org','the pilot begins');
INSERT INTO "modes" VALUES(2,'2026-04-30 12:00:01.000000','shadow','you@example.org','complaints since noon');
CREATE TABLE outcome_history (
	number INTEGER NOT NULL, 
	prediction_id VARCHAR(128) NOT NULL, 
	outcome FLOAT NOT NULL, 
	at DATETIME NOT NULL, 
	received_at DATETIME NOT NULL, 
	replaced_at DATETIME NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "outcome_history" VALUES(1,'t1',1.0,'2026-04-30 12:00:00.000000','2026-04-30 12:00:01.000000','2026-04-30 12:00:01.000000');
CREATE TABLE outcomes (
	prediction_id VARCHAR(128) NOT NULL, 
	outcome FLOAT NOT NULL, 
	at DATETIME NOT NULL, 
	received_at DATETIME NOT NULL, counted_at DATETIME, 
	PRIMARY KEY (prediction_id)
);
INSERT INTO "outcomes" VALUES('t1',0.0,'2026-04-30 12:00:00.000000','2026-04-30 12:00:01.000000',NULL);
INSERT INTO "outcomes" VALUES('early',1.0,'2026-04-30 12:00:00.000000','2026-04-30 12:00:01.000000',NULL);
CREATE TABLE predictions (
	id VARCHAR(128) NOT NULL, 
	at DATETIME NOT NULL, 
	model_version VARCHAR(64) NOT NULL, 
	bundle VARCHAR(64) NOT NULL, 
	arm VARCHAR(16) NOT NULL, 
	mode VARCHAR(16) NOT NULL, 
	unit_hash VARCHAR(32), 
	score FLOAT NOT NULL, 
	decision TEXT NOT NULL, 
	"row" JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "predictions" VALUES('t1','2026-04-11 08:00:00.000000','1','4444444444444444444444444444444444444444444444444444444444444444','champion','assist','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',0.91,'decline','{"amount":263.38,"hour":1,"channel":"online","merchant":"gambling","foreign":false,"spent_24h":0.0,"card_age":947}');
INSERT INTO "predictions" VALUES('t2','2026-04-11 08:00:00.000000','1','4444444444444444444444444444444444444444444444444444444444444444','champion','assist',NULL,0.02,'approve','{"amount":12.5,"hour":1,"channel":"online","merchant":"gambling","foreign":false,"spent_24h":0.0,"card_age":947}');
CREATE TABLE records_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT records_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "records_version" VALUES('0002');
CREATE INDEX predictions_at ON predictions (at);
CREATE INDEX outcomes_received_at ON outcomes (received_at);
CREATE INDEX outcome_history_prediction_id ON outcome_history (prediction_id);
CREATE INDEX feedback_prediction_id ON feedback (prediction_id);
CREATE INDEX feedback_at ON feedback (at);
CREATE INDEX outcomes_not_counted ON outcomes (prediction_id) WHERE counted_at IS NULL;
CREATE INDEX feedback_not_counted ON feedback (id) WHERE counted_at IS NULL;
COMMIT;
