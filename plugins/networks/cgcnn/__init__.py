"""CGCNN, the crystal graph convolutional network: Xie & Grossman, PRL 120, 145301 (2018)."""
