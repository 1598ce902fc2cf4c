"""The left ventricle in CT: masks, long axis, insertions, AHA segments."""
