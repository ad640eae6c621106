from sacred import Experiment
from sacred.observers import FileStorageObserver
import numpy as np
ex = Experiment('digits', save_git_info=False, base_dir='.')
ex.observers.append(FileStorageObserver('sacred'))
@ex.config
def cfg():
    lr = 0.1
    epochs = 3
    optimizer = {'name':'adam','betas':(0.9,0.999)}
    nothing = None
    layers = [64, 10]
    diverges = False
    seed = 1
    note = 'a'
@ex.main
def main(_run, lr, epochs, diverges):
    for s in range(epochs):
        _run.log_scalar('train/loss', round(1/(s+1), 3), s)
        _run.log_scalar('acc', np.float64(s/4))
    if diverges:
        _run.log_scalar('train/loss', float('nan'), epochs)
        raise ValueError('the loss is nan')
    _run.info['best'] = {'epoch': 2, 'window': (1, 2)}
    print('done')
    return np.float64(0.93) if lr < 0.2 else 0.5
for i, u in ((1, {}), (2, {'diverges': True, 'seed': 2}), (10, {'lr': 0.2, 'note': '0777'})):
    try: ex.run(config_updates=u, options={'--id': i, '--comment': 'first try' if i == 1 else None})
    except ValueError: pass
