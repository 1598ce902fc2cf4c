"""The hospital's archive: find studies, fetch a CTA, send exports back."""
