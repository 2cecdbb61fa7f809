BEGIN TRANSACTION;
CREATE TABLE answers (
	"key" VARCHAR(64) NOT NULL, 
	user_id VARCHAR(255), 
	body TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "answers" VALUES('k1','u1','{"text":"yes","usage":{"input_tokens":0,"output_tokens":0,"cost":0.0},"logprobs":null}');
CREATE TABLE conversations (
	conversation_id VARCHAR(64) NOT NULL, 
	time BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (conversation_id)
);
INSERT INTO "conversations" VALUES('c1',1796075064160,'{"messages": []}');
CREATE TABLE events (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id_hash BIGINT NOT NULL, 
	event_id TEXT, 
	user_key INTEGER NOT NULL, 
	item_key INTEGER, 
	type VARCHAR(64) NOT NULL, 
	value FLOAT, 
	time BIGINT, 
	text TEXT, 
	source TEXT NOT NULL, 
	context TEXT
);
INSERT INTO "events" VALUES(1,1971835917959106308,'e1',1,1,'rating',5.0,1577934245000,NULL,'shop',NULL);
INSERT INTO "events" VALUES(2,9138143428176969592,'e2',1,2,'review',NULL,NULL,'Très bien','shop','{"device":"phone"}');
INSERT INTO "events" VALUES(3,81985529216486895,'0123456789abcdef',2,NULL,'comment',NULL,1577934246000,'hello','shop',NULL);
CREATE TABLE items (
	"key" INTEGER NOT NULL, 
	item_id VARCHAR(255) NOT NULL, 
	source TEXT DEFAULT '' NOT NULL, 
	title TEXT DEFAULT '' NOT NULL, 
	text TEXT DEFAULT '' NOT NULL, 
	categories TEXT DEFAULT '[]' NOT NULL, 
	price FLOAT, 
	image TEXT, 
	audio TEXT, 
	attributes TEXT DEFAULT '{}' NOT NULL, 
	PRIMARY KEY ("key"), 
	UNIQUE (item_id)
);
INSERT INTO "items" VALUES(1,'i1','shop','Alien','','["Horror"]',9.5,NULL,NULL,'{"year":1979}');
INSERT INTO "items" VALUES(2,'i2','','Été 36','x','[]',NULL,NULL,NULL,'{}');
CREATE TABLE keys (
	key_id VARCHAR(32) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	user_id VARCHAR(255), 
	body TEXT NOT NULL, 
	PRIMARY KEY (key_id), 
	UNIQUE (hash)
);
INSERT INTO "keys" VALUES('k12345678','3896a89a42c2de598cd4de6c335fffb35e51aa18170db712d7d1147093cdc666',NULL,'{"key_id":"k12345678","name":"shop","scope":"read","user_id":null,"created":"2020-01-02T03:04:05Z","revoked":null}');
CREATE TABLE ledger (
	"row" INTEGER NOT NULL, 
	user_id VARCHAR(255), 
	body TEXT NOT NULL, 
	PRIMARY KEY ("row")
);
INSERT INTO "ledger" VALUES(1,'u1','{"purpose":"portrait","model":"m","prompt":"portrait@1#h","user_id":"u1","input_tokens":3,"output_tokens":4,"cost":0.1,"seconds":1.5,"outcome":"ok","at":"2020-01-02T03:04:05Z"}');
CREATE TABLE notes (
	name VARCHAR(200) NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "notes" VALUES('schema','1');
INSERT INTO "notes" VALUES('users changed','2');
INSERT INTO "notes" VALUES('items changed','2');
INSERT INTO "notes" VALUES('revision','3');
INSERT INTO "notes" VALUES('embedder','letters');
CREATE TABLE outcomes (
	recommendation_id VARCHAR(32) NOT NULL, 
	item_id VARCHAR(255) NOT NULL, 
	type VARCHAR(64) NOT NULL, 
	user_id VARCHAR(255), 
	channel VARCHAR(64) NOT NULL, 
	model_version INTEGER NOT NULL, 
	PRIMARY KEY (recommendation_id, item_id, type)
);
INSERT INTO "outcomes" VALUES('r1','i2','click','u1','content',1);
CREATE TABLE profiles (
	user_id VARCHAR(255) NOT NULL, 
	version INTEGER NOT NULL, 
	as_of BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (user_id, version)
);
INSERT INTO "profiles" VALUES('u1',1,1577934245000,'{"user_id":"u1","version":1,"as_of":"2020-01-02T03:04:05Z","language":"en","summary":"Likes horror.","summary_source":"template","summary_evidence":[],"preferences":[],"traits":[],"fields":[],"segments":[],"unknowns":[],"dropped":[],"built_from":{"events":0,"first_event":null,"last_event":null,"last_seq":0,"window_events":0,"window_tokens":0,"parts":1,"population":"","calls":0,"input_tokens":0,"output_tokens":0,"cost":0.0,"claims":0,"settings":""},"source":"template","grade":"none","model":null,"prompt":null,"notes":[]}');
INSERT INTO "profiles" VALUES('u1',2,1577934245000,'{"user_id":"u1","version":2,"as_of":"2020-01-02T03:04:05Z","language":"en","summary":"Likes horror films.","summary_source":"template","summary_evidence":[],"preferences":[],"traits":[],"fields":[],"segments":[],"unknowns":[],"dropped":[],"built_from":{"events":0,"first_event":null,"last_event":null,"last_seq":0,"window_events":0,"window_tokens":0,"parts":1,"population":"","calls":0,"input_tokens":0,"output_tokens":0,"cost":0.0,"claims":0,"settings":""},"source":"template","grade":"none","model":null,"prompt":null,"notes":[]}');
CREATE TABLE scales (
	source VARCHAR(255) NOT NULL, 
	low FLOAT NOT NULL, 
	high FLOAT NOT NULL, 
	declared BOOLEAN NOT NULL, 
	PRIMARY KEY (source)
);
INSERT INTO "scales" VALUES('shop',1.0,5.0,1);
CREATE TABLE shown (
	recommendation_id VARCHAR(32) NOT NULL, 
	user_id VARCHAR(255), 
	time BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (recommendation_id)
);
INSERT INTO "shown" VALUES('r1','u1',1893542400000,'{"recommendation_id":"r1","user_id":"u1","at":"2030-01-02T00:00:00Z","items":["i2"],"channels":["content"],"model_version":1,"profile_version":2}');
CREATE TABLE unembedded (
	user_id VARCHAR(255) NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (user_id)
);
CREATE TABLE users (
	"key" INTEGER NOT NULL, 
	user_id VARCHAR(255) NOT NULL, 
	source TEXT DEFAULT '' NOT NULL, 
	attributes TEXT DEFAULT '{}' NOT NULL, 
	PRIMARY KEY ("key"), 
	UNIQUE (user_id)
);
INSERT INTO "users" VALUES(1,'u1','shop','{"age":30}');
INSERT INTO "users" VALUES(2,'u2','','{}');
CREATE TABLE wordings (
	user_id VARCHAR(255) NOT NULL, 
	item_id VARCHAR(255) NOT NULL, 
	stamp VARCHAR(64) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (user_id, item_id)
);
INSERT INTO "wordings" VALUES('u1','i2','stamp','{"text":"Because.","preferences":[],"evidence":["e1"],"source":"llm"}');
CREATE INDEX ix_answers_user_id ON answers (user_id);
CREATE INDEX ix_ledger_user_id ON ledger (user_id);
CREATE INDEX ix_keys_user_id ON keys (user_id);
CREATE INDEX ix_shown_time ON shown (time);
CREATE INDEX ix_shown_user_id ON shown (user_id);
CREATE INDEX ix_outcomes_user_id ON outcomes (user_id);
CREATE INDEX ix_conversations_time ON conversations (time);
CREATE UNIQUE INDEX events_by_id ON events (id_hash);
CREATE INDEX events_by_user ON events (user_key, time);
CREATE INDEX events_by_item ON events (item_key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',3);
COMMIT;

