"""What ``python -m czsl.cli`` runs."""

from czsl.cli import main

if __name__ == "__main__":
    main()
