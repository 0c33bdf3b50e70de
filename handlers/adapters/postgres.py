"""A PostgreSQL database as the migration needs it."""

from handlers.adapters.postgres_access import Admission
from handlers.adapters.postgres_contents import Contents
from handlers.adapters.postgres_readers import Readers
from handlers.adapters.postgres_replication import Replication


class Database(Admission, Replication, Contents, Readers):
    """An open connection of the operator's role, and all that is asked of the database by it."""
