"""The actions: one file each, the twin of `actions/NAME/action.yml`.

Each has `run(job) -> outputs`: it reads inputs, calls the pipeline or a stage as the command of that name does, and
returns what the step hands on. Nothing here decides what a stage decides.
"""
