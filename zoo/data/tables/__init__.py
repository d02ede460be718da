"""Tables and folders to records, and to rejected rows with their reasons."""
