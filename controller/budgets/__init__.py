"""Budgets that act and undo themselves: when a threshold speaks, what is done then, and how it is taken back.

``alerts`` and ``deeds`` are the two halves of the state machine, pure: a state and what is seen in, a state out.
``afford`` says how many replicas the money is good for, ``levers`` what the deeds come to for a rule's decision.
"""
