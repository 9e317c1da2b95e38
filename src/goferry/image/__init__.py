"""Stage: an OCI image written directly."""
