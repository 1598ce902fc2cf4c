"""Frame grabbers as a live source."""
