"""What ``python -m czsl`` runs."""

from czsl.cli import main

if __name__ == "__main__":
    main(prog_name="czsl")
