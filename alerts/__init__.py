"""From rule files and events to who is told: evaluate, group, silence, deliver; scales nothing, reads no settings."""
