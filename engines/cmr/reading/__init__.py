"""What the fusion reads: perfusion series, masks of the CT, coronary branches."""
