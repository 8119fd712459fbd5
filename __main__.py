"""`python -m carrara`."""

try:
    from .cli import main

    main()
except KeyboardInterrupt:  # while modules were still being imported
    raise SystemExit(130) from None
