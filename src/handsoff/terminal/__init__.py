"""What people see while work is done: lines, tables and progress, for the command line and for Python."""
