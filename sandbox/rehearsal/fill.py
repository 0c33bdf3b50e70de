"""What is moved: the shop, or a person's own dump beside which the load gets a table of its own."""

from collections.abc import Callable

from psycopg2 import sql

from sandbox.databases import ServerInfo
from sandbox.databases.server import new_password
from sandbox.rehearsal import dump, probe, shop
from sandbox.rehearsal.application import Source
from sandbox.rehearsal.carry import Login
from sandbox.rehearsal.request import Request
from sandbox.rehearsal.writes import create_own_table
from sandbox.source import make_role

GUEST_DATABASE, GUEST_ROLE = "guest", "rehearsal_app"
Tell = Callable[[str], None]


def own_database(server: ServerInfo, request: Request, tell: Tell) -> Source:
    """Make a database with its owner and the application's role on a server that knows nothing of the migration."""
    if request.dump is None:
        passwords = shop.new_passwords()
        rows = shop.create(server, request.rows, request.seed, passwords)
        tell(f"{rows:,} rows")
        with server.superuser(shop.DATABASE) as connection:
            probe.create_table(connection, shop.APPLICATION)
        return Source(shop.DATABASE, rows, shop.APPLICATION, passwords[shop.APPLICATION], "shop")
    password = new_password()
    rows = dump.restore(server, request.dump, GUEST_DATABASE)
    tell(f"{rows:,} rows of {request.dump}")
    with server.superuser(GUEST_DATABASE) as connection:
        with connection.cursor() as cursor:
            make_role(cursor, GUEST_ROLE, password)
        create_own_table(connection, GUEST_ROLE)
        probe.create_table(connection, GUEST_ROLE)
    return Source(GUEST_DATABASE, rows, GUEST_ROLE, password, "own_table")


def made_database(
    server: ServerInfo, request: Request, database: str, master: Login, application: Login, tell: Tell
) -> Source:
    """Fill a database that is there and `master`'s, in which `application` is a role already."""
    if request.dump is None:
        with server.session(database, master.username, master.password) as connection:
            passwords = shop.new_passwords()
            rows = shop.move_in(connection, request.rows, request.seed, passwords, application.username)
        tell(f"{rows:,} rows")
        with server.superuser(database) as connection:
            probe.create_table(connection, application.username)
        return Source(database, rows, application.username, application.password, "shop")
    rows = dump.restore(server, request.dump, database)
    tell(f"{rows:,} rows of {request.dump}")
    with server.superuser(database) as connection:
        with connection.cursor() as cursor:
            # Who owns a database may do this by itself; here the administrator does.
            cursor.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(dump.OWNER)))
        create_own_table(connection, application.username)
        probe.create_table(connection, application.username)
    return Source(database, rows, application.username, application.password, "own_table")
