namespace Colo.Vmm.Devices.Uart;

/// <summary>
/// 16550A serial port at one byte a register. Transmission takes no guest time: THR and the shifter are always empty.
/// Output is gathered and handed to the back end when a line ends, when the buffer is full and whenever the machine
/// looks at its devices, so that a burst of characters costs one write. Input from the host waits in a bounded queue
/// until the 16-byte FIFO has room. Source: National Semiconductor PC16550D data sheet, section 8.
/// </summary>
internal sealed class UartDevice : IMmioDevice, IServicedDevice, IStatefulDevice
{
    public const ulong SizeBytes = 0x100;
    private const int FifoSize = 16;
    private const int InputLimit = 65536;
    private const byte LineDataReady = 0x01;
    private const byte LineOverrun = 0x02;
    private const byte LineTransmitterEmpty = 0x60;
    private const byte DivisorLatch = 0x80;
    private const byte Loopback = 0x10;

    private readonly IInterruptLine _line;
    private readonly IMachineWaker _waker;
    private readonly IConsoleBackend? _console;
    private readonly byte[] _output = new byte[1024];
    private readonly ByteQueue _input = new(InputLimit);
    private readonly Queue<byte> _fifo = new(FifoSize);
    private int _outputLength;
    private byte _interruptEnable;
    private byte _lineControl;
    private byte _modemControl;
    private byte _lineStatus;
    private byte _scratch;
    private byte _fifoControl;
    private ushort _divisor;
    private bool _transmitEmptyPending;

    public UartDevice(IInterruptLine line, IMachineWaker waker, IConsoleBackend? console)
    {
        _line = line;
        _waker = waker;
        _console = console;
        Reset();
        if (console is not null)
        {
            console.Input = Receive;
        }
    }

    public UartMetrics Metrics { get; } = new();

    public string SectionTag => "UART";

    public ushort StateVersion => 1;

    private bool FifoEnabled => (_fifoControl & 1) != 0;

    public void Reset()
    {
        Flush();
        _interruptEnable = 0;
        _lineControl = 0;
        _modemControl = 8;
        _lineStatus = 0;
        _scratch = 0;
        _fifoControl = 0;
        _divisor = 12;
        _transmitEmptyPending = false;
        _fifo.Clear();
        _input.Clear();
        Update();
    }

    /// <summary>Bytes typed at the host. Any thread. Returns how many fitted.</summary>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        int taken = _input.Enqueue(bytes);
        Metrics.BytesDropped += bytes.Length - taken;
        _waker.Wake();
        return taken;
    }

    public void Service()
    {
        Flush();
        FillFifo();
    }

    /// <summary>Hands gathered output to the console. The machine calls this before it counts as paused.</summary>
    public void Flush()
    {
        if (_outputLength > 0)
        {
            _console?.Write(_output.AsSpan(0, _outputLength));
            _outputLength = 0;
        }
    }

    /// <summary>Output by the firmware's console, in order with what the guest sends through the registers.</summary>
    public void WriteDirect(ReadOnlySpan<byte> bytes)
    {
        Flush();
        _console?.Write(bytes);
        Metrics.BytesSent += bytes.Length;
    }

    /// <summary>Input for the firmware's console, before the guest's registers get it; returns how much there
    /// was.</summary>
    public int ReadDirect(Span<byte> bytes)
    {
        int count = 0;
        while (count < bytes.Length)
        {
            FillFifo();
            if (_fifo.Count == 0)
            {
                break;
            }

            bytes[count++] = ReadReceived();
        }

        return count;
    }

    public ulong Read(ulong offset, int size) => offset switch
    {
        0 => (_lineControl & DivisorLatch) != 0 ? (byte)_divisor : ReadReceived(),
        1 => (_lineControl & DivisorLatch) != 0 ? (byte)(_divisor >> 8) : _interruptEnable,
        2 => ReadInterruptIdentification(),
        3 => _lineControl,
        4 => _modemControl,
        5 => ReadLineStatus(),
        6 => ReadModemStatus(),
        7 => _scratch,
        _ => 0,
    };

    public void Write(ulong offset, int size, ulong value)
    {
        byte b = (byte)value;
        switch (offset)
        {
            case 0 when (_lineControl & DivisorLatch) != 0:
                _divisor = (ushort)((_divisor & 0xff00) | b);
                break;
            case 0:
                Transmit(b);
                break;
            case 1 when (_lineControl & DivisorLatch) != 0:
                _divisor = (ushort)((_divisor & 0xff) | (b << 8));
                break;
            case 1:
                // Enabling the interrupt while the transmitter is empty raises it at once; drivers start sending that
                // way.
                _transmitEmptyPending |= (b & ~_interruptEnable & 2) != 0;
                _interruptEnable = (byte)(b & 0x0f);
                break;
            case 2:
                WriteFifoControl(b);
                FillFifo();
                break;
            case 3:
                _lineControl = b;
                break;
            case 4:
                _modemControl = (byte)(b & 0x1f);
                FillFifo();
                break;
            case 7:
                _scratch = b;
                break;
            default:
                break;
        }

        Update();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt8(_interruptEnable);
        writer.UInt8(_lineControl);
        writer.UInt8(_modemControl);
        writer.UInt8(_lineStatus);
        writer.UInt8(_scratch);
        writer.UInt8(_fifoControl);
        writer.UInt16(_divisor);
        writer.Bool(_transmitEmptyPending);
        writer.Bytes(_fifo.ToArray());
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        var state = new UartState(
            reader.UInt8("uart.ier"), reader.UInt8("uart.lcr"), reader.UInt8("uart.mcr"), reader.UInt8("uart.lsr"),
            reader.UInt8("uart.scr"), reader.UInt8("uart.fcr"), reader.UInt16("uart.divisor"),
            reader.Bool("uart.thre"), reader.Bytes("uart.fifo", FifoSize).ToArray());
        return reader.Failed ? null : state;
    }

    public void Restore(DeviceState state)
    {
        var saved = (UartState)state;
        _interruptEnable = saved.InterruptEnable;
        _lineControl = saved.LineControl;
        _modemControl = saved.ModemControl;
        _lineStatus = saved.LineStatus;
        _scratch = saved.Scratch;
        _fifoControl = saved.FifoControl;
        _divisor = saved.Divisor;
        _transmitEmptyPending = saved.TransmitEmptyPending;
        foreach (byte b in saved.Received)
        {
            _fifo.Enqueue(b);
        }

        Update();
    }

    private void Transmit(byte value)
    {
        _transmitEmptyPending = true;
        if ((_modemControl & Loopback) != 0)
        {
            Push(value);
            return;
        }

        Metrics.BytesSent++;
        _output[_outputLength++] = value;
        if (_outputLength == _output.Length || value == (byte)'\n')
        {
            Flush();
        }
    }

    private void Push(byte value)
    {
        if (_fifo.Count >= (FifoEnabled ? FifoSize : 1))
        {
            _lineStatus |= LineOverrun;
            return;
        }

        _fifo.Enqueue(value);
    }

    private void FillFifo()
    {
        int room = FifoEnabled ? FifoSize : 1;
        if (_fifo.Count >= room || (_modemControl & Loopback) != 0)
        {
            return;
        }

        Span<byte> arrived = stackalloc byte[FifoSize];
        foreach (byte value in arrived[.._input.Dequeue(arrived[..(room - _fifo.Count)])])
        {
            _fifo.Enqueue(value);
            Metrics.BytesReceived++;
        }

        Update();
    }

    private byte ReadReceived()
    {
        byte value = _fifo.Count > 0 ? _fifo.Dequeue() : (byte)0;
        FillFifo();
        Update();
        return value;
    }

    private byte ReadLineStatus()
    {
        byte value = (byte)(_lineStatus | LineTransmitterEmpty | (_fifo.Count > 0 ? LineDataReady : 0));
        _lineStatus = 0;
        Update();
        return value;
    }

    private byte ReadModemStatus()
    {
        const byte Connected = 0xb0;
        if ((_modemControl & Loopback) == 0)
        {
            return Connected;
        }

        // In loopback the four outputs are the inputs: RTS->CTS, DTR->DSR, OUT1->RI, OUT2->DCD.
        int mcr = _modemControl;
        return (byte)(((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4));
    }

    private byte ReadInterruptIdentification()
    {
        byte identification = Identify();
        if (identification == 2)
        {
            _transmitEmptyPending = false;
            Update();
        }

        return (byte)(identification | (FifoEnabled ? 0xc0 : 0));
    }

    private void WriteFifoControl(byte value)
    {
        if (((value ^ _fifoControl) & 1) != 0 || (value & 2) != 0)
        {
            _fifo.Clear();
        }

        _fifoControl = (byte)(value & 0xc9);
    }

    private byte Identify()
    {
        const byte None = 1;
        if ((_interruptEnable & 4) != 0 && (_lineStatus & LineOverrun) != 0)
        {
            return 6;
        }

        if ((_interruptEnable & 1) != 0 && _fifo.Count > 0)
        {
            // Below the trigger level the character time-out is reported, which passes at once in guest time.
            return _fifo.Count >= TriggerLevel() ? (byte)4 : (byte)0x0c;
        }

        return (_interruptEnable & 2) != 0 && _transmitEmptyPending ? (byte)2 : None;
    }

    private int TriggerLevel() => !FifoEnabled ? 1 : (_fifoControl >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };

    private void Update() => _line.Set((Identify() & 1) == 0);
}
