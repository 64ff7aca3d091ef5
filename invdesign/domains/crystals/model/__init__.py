"""Crystal VAE: encoding of crystals as rows, orbit graph, descriptor tables, layers and features."""
