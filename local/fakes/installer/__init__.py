"""An offline installer with the interface of Miniconda's."""
