"""CT coronary angiography and stress-perfusion CMR in one picture: which artery feeds which ischaemic wall."""
