"""A stack's configuration as one frozen, typed tree, checked whole before anything is declared."""

from components.settings.application import Application, Side
from components.settings.database import Database
from components.settings.ends import Target
from components.settings.fleet import Fleet
from components.settings.migration import Migration
from components.settings.reading import COMPOSITIONS, SettingsError, check_account, load
from components.settings.stack import Root, Site, Stack

__all__ = [
    "COMPOSITIONS",
    "Application",
    "Database",
    "Fleet",
    "Migration",
    "Root",
    "SettingsError",
    "Side",
    "Site",
    "Stack",
    "Target",
    "check_account",
    "load",
]
