"""One file per model that this project trains itself."""
