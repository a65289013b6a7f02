-- Run by the image of PostgreSQL when its volume is new: a database for each service, and a user who alone may enter it,
-- because services share nothing.
CREATE ROLE customers LOGIN;
CREATE DATABASE customers OWNER customers ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE customers FROM PUBLIC;

CREATE ROLE orders LOGIN;
CREATE DATABASE orders OWNER orders ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE orders FROM PUBLIC;
