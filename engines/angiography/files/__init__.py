"""Read and write X-ray runs: XA and Enhanced XA, pictures, videos."""
