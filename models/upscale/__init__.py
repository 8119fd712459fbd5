"""Networks that enlarge pictures, known from the headers of their files."""
