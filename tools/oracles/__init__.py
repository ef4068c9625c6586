"""Other tools as judges of our exports."""
