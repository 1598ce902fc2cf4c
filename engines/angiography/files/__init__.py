"""X-ray runs from and to files: XA and Enhanced XA, pictures, videos."""
