"""Wild types: residue numbering, mutations, design constraints."""
