"""The command line: thin verbs that parse, call, draw progress and print one table."""
