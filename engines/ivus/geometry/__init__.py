"""The CT along the vessel: straightened, recentred, followed beyond the ends of a centerline."""
