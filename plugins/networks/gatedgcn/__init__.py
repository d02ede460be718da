"""GatedGCN, a graph network whose edges are updated: Bresson & Laurent (2017), Choudhary & DeCost (2021).

`settings` has the sizes, `body` the layers and their equations, `accelerated` the compiled edge update, `torch_free`
prediction without torch, and `network` registers all of it.
"""
