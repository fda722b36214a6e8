"""The same tables and statements on PostgreSQL, through psycopg; needs the extra `postgresql`."""
