"""Our models as foreign code knows them: objects that are cloned, patched and asked, each made from a handle."""
