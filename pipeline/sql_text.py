"""Names and values as SQL text, whatever characters they hold."""


def identifier(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value as a text in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"
