import logging

# SAM's translator tells of its feature toggles and of unsent metrics.
logging.getLogger("samtranslator").setLevel(logging.ERROR)
