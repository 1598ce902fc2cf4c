"""Pictures in millimetres, lanes and plots over one axis, 3-D scenes, and films of them."""
