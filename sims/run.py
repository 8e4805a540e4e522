"""Run a simulation: python sims/run.py [group=choice] [key=value] ...; --help lists them."""

from fedkd.cli import main

if __name__ == "__main__":
    main()
