from handlers.core import access
from handlers.core.access import PUBLIC, Access, Role

SHOP = Access("shop", (PUBLIC, "shop_owner"), None)
ROLES = [
    Role("shop_app", True, False),
    Role("report", True, False),
    Role("operator", True, False),
    Role("dms", True, False),
    Role("postgres", True, True),
    Role("nobody", False, False),
]
OURS = ("operator", "dms")


def test_a_fence_spares_us_and_nobody_else() -> None:
    assert access.keepers(ROLES, OURS, ()) == ("dms", "operator")


def test_listing_the_application_s_roles_spares_the_others() -> None:
    assert access.keepers(ROLES, OURS, ["shop_app"]) == ("dms", "operator", "postgres", "report")


def test_closing_takes_connect_from_public_too() -> None:
    assert access.close(SHOP, OURS) == [
        'REVOKE CONNECT ON DATABASE "shop" FROM PUBLIC, "shop_owner" CASCADE',
        'GRANT CONNECT ON DATABASE "shop" TO "operator", "dms"',
        'ALTER DATABASE "shop" SET default_transaction_read_only = on',
    ]


def test_closing_what_is_closed_still_names_public() -> None:
    assert "FROM PUBLIC CASCADE" in access.close(Access("shop", ("dms", "operator")), OURS)[0]


def test_opening_again_restores_grants_and_setting_exactly() -> None:
    fenced = Access("shop", ("dms", "operator"), "on")
    assert access.open_again(SHOP, fenced) == [
        'REVOKE CONNECT ON DATABASE "shop" FROM "dms", "operator" CASCADE',
        'GRANT CONNECT ON DATABASE "shop" TO PUBLIC, "shop_owner"',
        'ALTER DATABASE "shop" RESET default_transaction_read_only',
    ]
    assert access.open_again(Access("shop", (), "off"), SHOP)[-1].endswith("= 'off'")


def test_names_and_values_are_quoted() -> None:
    statements = access.open_again(Access('a"b', ('x"y',), "o'n"), Access('a"b', ()))
    assert statements == [
        'GRANT CONNECT ON DATABASE "a""b" TO "x""y"',
        "ALTER DATABASE \"a\"\"b\" SET default_transaction_read_only = 'o''n'",
    ]


def test_intruders_are_roles_that_can_connect_though_fenced() -> None:
    assert access.intruders(ROLES, OURS) == ["report", "shop_app"]


def test_access_survives_the_record() -> None:
    assert Access.from_dict(SHOP.to_dict()) == SHOP


def test_a_fence_shuts_out_every_user_that_stands_for_a_listed_role() -> None:
    turns = [*ROLES, Role("shop_app_a", True, False), Role("shop_app_b", True, False)]
    spared = access.keepers(turns, OURS, ["shop_app"])
    assert spared == ("dms", "operator", "postgres", "report")
    assert access.intruders(turns, spared) == ["shop_app", "shop_app_a", "shop_app_b"]
