"""What the network looks at, laid on the frame that it was asked about."""
